"""The rating app: thin Streamlit views over the rating store."""
