"""Where values come from: each source hands over a file of rows (`enduser.stores.row_file`)."""
