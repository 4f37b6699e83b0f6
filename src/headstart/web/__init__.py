"""HTTP: the API, the stream, the payment webhook, the pages."""
