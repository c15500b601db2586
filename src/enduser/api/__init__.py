"""HTTP: routes, authentication, errors as one JSON shape. Thin; what is done stands in the layers below."""
