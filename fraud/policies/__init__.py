"""Figures people agree on in twos: when something takes a second person, what is too much, who reports. Data with versions, in force by two people."""
