"""The operator's home: queues, figures, charts. May see every wing; nobody imports it."""
