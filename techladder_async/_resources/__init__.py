"""One file for each noun of the API: path, parameters, checks. A resource knows the `Api`, and nothing behind it."""
