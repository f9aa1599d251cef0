"""Pictures and tables that the results give."""
