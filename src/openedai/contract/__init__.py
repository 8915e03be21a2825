"""The contract between engines and those who use them: capabilities, requests, events."""
