"""The project: composition on top, the shared kit underneath."""
