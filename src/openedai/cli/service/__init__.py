"""`openedai service`: the server as a service of systemd."""
