"""Values somebody vouched for, barred or watches: with a reason, an owner and, for the allowed, a second person and an end."""
