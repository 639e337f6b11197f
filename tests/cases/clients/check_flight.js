// The Flight SQL client of npm. Arguments: host, port, password, and "tls" to go through a tunnel.
//
// Its own TLS trusts no authority at all, and neither an option nor a variable (NODE_EXTRA_CA_CERTS is for what Node.js itself
// connects to, SSL_CERT_FILE isn't read) names one. So for TLS it gets a tunnel of Node.js, which does read
// NODE_EXTRA_CA_CERTS. A refused login ends one of its threads and is never told, so none is tried.
'use strict';

const assert = require('node:assert');
const net = require('node:net');
const tls = require('node:tls');
const { createFlightSqlClient } = require('@lakehouse-rs/flight-sql-client');
const { tableFromIPC } = require('apache-arrow');

const [host, port, password, way] = process.argv.slice(2);

// Where the client connects to: the gateway, or a socket of this process that leads there through TLS.
async function address() {
  if (way !== 'tls') return { host, port: Number(port) };
  const tunnel = net.createServer((near) => {
    const far = tls.connect({ host, port: Number(port), servername: 'localhost', ALPNProtocols: ['h2'] });
    far.on('secureConnect', () => assert.ok(far.authorized && far.alpnProtocol === 'h2'));
    for (const [one, other] of [[near, far], [far, near]]) {
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  tunnel.unref();
  await new Promise((listens) => tunnel.listen(0, '127.0.0.1', listens));
  return { host: '127.0.0.1', port: tunnel.address().port };
}

const rows = (buffer) => tableFromIPC(buffer).toArray().map((row) => row.toJSON());

async function main() {
  const client = await createFlightSqlClient({ ...(await address()), tls: false, headers: [], username: 'ana', password });
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
  () => {
    console.log('ok');
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
