"""What every service stands on: contracts, outbox, worker, web; it knows no service."""
