"""The text of files: documents, pages, mails and code."""
