"""A report of training runs: one HTML file with all that it shows, to attach to a ticket.

`contents.py` collects what is in it, `pictures.py` draws, and `page.py` fills the templates.
"""
