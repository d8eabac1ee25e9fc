"""Small programs that look after the project itself. None of them is shipped."""
