"""What a prepared picture becomes for the text model, and whether a device sees it rightly."""
