"""Compare names: text in, an explained score out. Pure: knows no database, no list format and no network."""
