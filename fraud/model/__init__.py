"""A model beside the rules: trained from labels, live by two people, explained in each decision, and only ever asking for a look."""
