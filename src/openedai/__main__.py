from openedai.cli import main

main()
