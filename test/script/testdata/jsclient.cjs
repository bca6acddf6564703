// Uses an Elasticsearch API by @elastic/elasticsearch 7, 8 or 9, as a user's
// program would: with sniffing, and with all of the client's helpers.
//
// Usage: node jsclient.cjs MAJOR URL TOKEN, where the client of that major
// version is installed as es7, es8 or es9. The index is of this program's own.
'use strict'

const assert = require('node:assert')
const [major, url, token] = process.argv.slice(2)
const { Client } = require('es' + major)

const INDEX = 'javascript-' + major
const ROWS = 250
const old = major === '7'

// Version 7 answers with {body}, and wants a body where the later ones want keys.
const unwrap = (r) => (old ? r.body : r)
const body = (keys) => (old ? { body: keys } : keys)

async function fails (what, status, call) {
  let got = 'no error'
  try {
    await call()
  } catch (e) {
    got = e.meta ? e.meta.statusCode : e
  }
  assert.deepStrictEqual([what, got], [what, status])
}

async function main () {
  const warnings = []
  const client = new Client({ node: url, auth: { username: 'any', password: token }, sniffOnStart: true, compression: major === '8' })
  assert.ok(unwrap(await client.ping()))
  assert.strictEqual(unwrap(await client.info()).tagline, 'You Know, for Search')

  // What programs make first. Nothing of it has an effect, and they are told so.
  for (const made of [
    client.indices.putIndexTemplate({ name: 'javascript', ...body({ index_patterns: ['javascript-*'] }) }, { meta: true }),
    client.indices.create({ index: INDEX, ...body({ mappings: { properties: { n: { type: 'long' } } } }) }, { meta: true }),
    client.indices.putMapping({ index: INDEX, ...body({ properties: { n: { type: 'long' } } }) }, { meta: true })
  ]) {
    const r = await made
    assert.strictEqual(r.body.acknowledged, true)
    warnings.push(...(r.warnings || []))
  }
  assert.strictEqual(warnings.length, 3, warnings)
  assert.match(warnings[0], /Oriel keeps no templates/)

  const now = new Date().toISOString()
  const rows = Array.from({ length: ROWS }, (_, n) => ({ '@timestamp': now, n, message: 'row ' + n, big: n }))
  const result = await client.helpers.bulk({
    datasource: rows,
    onDocument: (doc) => ({ create: { _index: INDEX, _id: String(doc.n) } }),
    flushBytes: 4000,
    onDrop: (doc) => assert.fail(JSON.stringify(doc))
  })
  assert.deepStrictEqual([result.total, result.successful, result.failed], [ROWS, ROWS, 0])
  const dropped = []
  await client.helpers.bulk({ datasource: rows.slice(0, 3), onDocument: (doc) => ({ create: { _index: INDEX, _id: String(doc.n) } }), onDrop: (d) => dropped.push(d.status) })
  assert.deepStrictEqual(dropped, [409, 409, 409])
  const again = await client.helpers.bulk({ datasource: rows.slice(0, 3), onDocument: (doc) => ({ index: { _index: INDEX, _id: String(doc.n) } }), refreshOnCompletion: true })
  assert.deepStrictEqual([again.successful, again.failed], [3, 0])

  // One document, then what would change it.
  const doc = { '@timestamp': now, message: 'one', n: -1 }
  const write = old ? { body: doc } : { document: doc }
  assert.strictEqual(unwrap(await client.index({ index: INDEX, ...write })).result, 'created')
  assert.strictEqual(unwrap(await client.index({ index: INDEX, id: 'one', ...write })).result, 'created')
  assert.strictEqual(unwrap(await client.index({ index: INDEX, id: 'one', ...write })).result, 'noop')
  await fails('another one', 400, () => client.index({ index: INDEX, id: 'one', ...(old ? { body: { n: 1 } } : { document: { n: 1 } }) }))
  await fails('create', 409, () => client.create({ index: INDEX, id: 'one', ...write }))
  await fails('update', 400, () => client.update({ index: INDEX, id: 'one', ...body({ doc: { n: 2 } }) }))
  await fails('delete', 400, () => client.delete({ index: INDEX, id: 'one' }))
  await fails('delete by query', 400, () => client.deleteByQuery({ index: INDEX, ...body({ query: { match_all: {} } }) }))
  await fails('delete index', 400, () => client.indices.delete({ index: INDEX }))
  assert.deepStrictEqual(unwrap(await client.get({ index: INDEX, id: 'one' }))._source, doc)
  assert.deepStrictEqual(unwrap(await client.getSource({ index: INDEX, id: 'one' })), doc)
  assert.strictEqual(unwrap(await client.exists({ index: INDEX, id: 'none' })), false)
  assert.deepStrictEqual(unwrap(await client.mget({ index: INDEX, ...body({ ids: ['1', 'none'] }) })).docs.map((d) => d.found), [true, false])
  await fails('get', 404, () => client.get({ index: INDEX, id: 'none' }))
  assert.strictEqual(unwrap(await client.indices.exists({ index: INDEX })), true)
  assert.strictEqual(unwrap(await client.indices.exists({ index: 'absent' })), false)

  // Searching.
  const found = unwrap(await client.search({
    index: INDEX,
    track_total_hits: true,
    ...body({ query: { bool: { filter: [{ range: { n: { gte: 10 } } }, { query_string: { query: 'message:row' } }] } }, sort: ['n'], size: 2, aggs: { sum: { sum: { field: 'n' } } } })
  }))
  assert.deepStrictEqual([found.hits.total.value, found.hits.hits.map((h) => h._source.n)], [ROWS - 10, [10, 11]])
  assert.strictEqual(found.aggregations.sum.value, (10 + ROWS - 1) * (ROWS - 10) / 2)
  assert.strictEqual(unwrap(await client.search({ index: INDEX, q: 'message:"row 17"' })).hits.total.value, 1)
  assert.strictEqual(unwrap(await client.count({ index: INDEX })).count, ROWS + 2)
  await fails('unknown clause', 400, () => client.search({ index: INDEX, ...body({ query: { nothing: {} } }) }))
  await fails('absent index', 404, () => client.search({ index: 'absent' }))
  assert.ok(unwrap(await client.fieldCaps({ index: INDEX, fields: '*' })).fields.n.long)
  assert.strictEqual(unwrap(await client.cat.indices({ index: INDEX, format: 'json' }))[0]['docs.count'], String(ROWS + 2))
  assert.strictEqual(unwrap(await client.cluster.health({ wait_for_status: 'yellow' })).status, 'green')
  assert.strictEqual(unwrap(await client.indices.validateQuery({ index: INDEX, q: 'n:1' })).valid, true)

  // The helpers: many searches in one, and everything by scroll and point in time.
  const many = client.helpers.msearch()
  const parts = await Promise.all([0, 1, 2].map((n) => many.search({ index: INDEX }, { query: { term: { n } } })))
  assert.deepStrictEqual(parts.map((p) => p.documents[0].n), [0, 1, 2])
  many.stop()
  const seen = new Set()
  for await (const d of client.helpers.scrollDocuments({ index: INDEX, size: 70, ...body({ query: { range: { n: { gte: 0 } } } }) })) seen.add(d.n)
  assert.strictEqual(seen.size, ROWS)
  let pit = unwrap(await client.openPointInTime({ index: INDEX, keep_alive: '1m' })).id
  let after
  let total = 0
  for (;;) {
    const page = unwrap(await client.search(body({ size: 70, pit: { id: pit, keep_alive: '1m' }, sort: [{ n: 'asc' }], ...(after ? { search_after: after } : {}) })))
    if (page.hits.hits.length === 0) break
    total += page.hits.hits.length
    pit = page.pit_id
    after = page.hits.hits[page.hits.hits.length - 1].sort
  }
  assert.strictEqual(total, ROWS + 2)
  assert.strictEqual(unwrap(await client.closePointInTime(body({ id: pit }))).succeeded, true)
  await client.close()
}

main().catch((e) => {
  console.error('@elastic/elasticsearch ' + major + ':', e, e.meta ? JSON.stringify(e.meta.body) : '')
  process.exit(1)
})
