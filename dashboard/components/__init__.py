"""Streamlit components of our own, each a folder of Python, JavaScript and CSS."""
