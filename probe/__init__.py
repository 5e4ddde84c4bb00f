"""What runs at AWS, in the network of the database: it imports nothing of ours, and is packed with what it needs."""
