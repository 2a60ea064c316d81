"""Decisions: asked before money moves, kept whole so that each can be made again, and tried on the past before rules go live."""
