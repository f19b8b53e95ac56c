"""What starts the service: commands, processes, HTTP. Imports everything; nothing imports it."""
