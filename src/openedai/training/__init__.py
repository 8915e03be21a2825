"""Fine-tuning of models that llama.cpp serves.

lines            the lines of training files, checked
files            training files, checked line by line
hyperparameters  what a client leaves to `auto`
messages         what the server and the process that trains send each other
trainer          the server's side of that process
adapters         the files of an adapter
worker/          the process that trains; only it imports torch
"""
