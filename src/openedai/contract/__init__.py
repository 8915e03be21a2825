"""The contract between engines and their users: capabilities, requests and events."""
