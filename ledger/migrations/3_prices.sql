-- Prices are statements of the policies; receipts repeat them.
DROP TABLE prices;
