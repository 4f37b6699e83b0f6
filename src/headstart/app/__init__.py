"""What the service does with the rules: commands in, deadlines, the feed, intake and fulfilment."""
