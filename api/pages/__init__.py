"""The audit pages: the ledger as a person reads it, at the address where it is served.

Templates are rendered here, and read without JavaScript; what a page does in the browser is in
``static``. No page does work that grows with the ledger, and nothing is loaded from elsewhere.
"""
