"""The gateway: ephemeral tokens, the web client, and relayed conversations. FastAPI on Hypercorn and Trio."""
