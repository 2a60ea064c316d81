"""May this seller be paid, and if not, why: requirements, persons, documents, and the decisions of reviewers."""
