"""The owner of the data folder: applies what was accepted, keeps the collectors, answers the API."""
