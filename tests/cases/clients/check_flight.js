// The Flight SQL client of npm. Arguments: host, port, password.
//
// Without TLS: it has no authorities that it trusts, and no option to name one. A refused login ends one of its
// threads and is never told, so none is tried.
'use strict';

const assert = require('node:assert');
const { createFlightSqlClient } = require('@lakehouse-rs/flight-sql-client');
const { tableFromIPC } = require('apache-arrow');

const [host, port, password] = process.argv.slice(2);

const options = { host, port: Number(port), tls: false, headers: [], username: 'ana', password };

const rows = (buffer) => tableFromIPC(buffer).toArray().map((row) => row.toJSON());

async function main() {
  const client = await createFlightSqlClient(options);
  const customers = rows(await client.query('SELECT id, tenant_id, email, phone FROM crm.customers ORDER BY id'));
  assert.strictEqual(customers.length, 40);
  for (const row of customers) {
    assert.strictEqual(row.tenant_id, 'acme');
    // Masked.
    assert.ok(row.email === null || row.email.slice(1, 5) === '***@', row.email);
    assert.strictEqual(row.phone, null);
  }
  const [{ orders }] = rows(await client.query('SELECT count(*) AS orders FROM crm.orders'));
  assert.strictEqual(Number(orders), 120);
  // The client keeps the reason to itself.
  for (const sql of ['SELECT * FROM hr.salaries', 'SELECT income FROM crm.customers']) {
    await assert.rejects(client.query(sql), { message: 'failed to prepare statement' });
  }

  assert.strictEqual(rows(await client.getCatalogs()).length, 1);
  const schemas = rows(await client.getDbSchemas({})).map((row) => row.db_schema_name);
  assert.ok(schemas.includes('crm') && !schemas.includes('hr'), String(schemas));
  const tables = rows(await client.getTables({ dbSchemaFilterPattern: 'crm', includeSchema: true }));
  assert.ok(tables.some((row) => row.table_name === 'customers'));
  assert.ok(tables.every((row) => row.db_schema_name === 'crm'));
}

main().then(
  () => console.log('ok'),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
