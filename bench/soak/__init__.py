"""The soak: many clients at once, well and badly behaved, and the state of the server afterwards.

mix        what the clients ask
form       whether an answer has the form that it must have
clients    the clients, and the one outcome of each of their requests
fairness   two callers, of which one sends 20 times more
state      the server from outside: memory, open files, processes, its own counts
section    all of it in one run, and the table
"""
