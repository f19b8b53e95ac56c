"""Dead letters for an operator: an index of the dead-letter topic (DLQ), and what can be done about its entries."""
