"""The guard, who may stop anything and whom nobody calls by name. Its rooms are built with the fraud issue."""
