// SPDX-License-Identifier: Apache-2.0
// The benchmark's jobs as SQL for DuckDB.
//
//   node query.mjs JOB FOLDER OUTPUT      or: node query.mjs --version
//
// FOLDER holds the job's shards, OUTPUT is the file to write: the bytes that `millrace cat` prints.
// The environment says the rest: BENCH_THREADS; BENCH_SUFFIX, ".zst" or nothing, of the shards'
// names; BENCH_TEMP, a folder for spills; BENCH_MEMORY_MIB, a limit, or nothing.

const threads = process.env.BENCH_THREADS ?? '2';
const suffix = process.env.BENCH_SUFFIX ?? '';
const temp = process.env.BENCH_TEMP ?? '';
const memoryMib = process.env.BENCH_MEMORY_MIB ?? '';

// A byte, not an escape sequence, that is in none of the shards: lines stay whole.
const NO_BYTE_OF_THE_DATA = '\u0001';
const TAB = '\t';

const literal = (text) => `'${text.replaceAll("'", "''")}'`;

// Rows of the shards that match. The dialect is given in full, so that nothing is guessed.
function shards(folder, pattern, delimiter, columns) {
  const files = `${folder}/${pattern}${suffix}`;
  const fields = Object.entries(columns);
  const types = fields.map(([name, type]) => `${literal(name)}: ${literal(type)}`);
  return `read_csv(${literal(files)}, auto_detect = false, header = false,
    delim = ${literal(delimiter)}, quote = '', escape = '',
    compression = ${literal(suffix === '.zst' ? 'zstd' : 'none')}, columns = {${types.join(', ')}})`;
}

const lines = (folder, pattern) =>
  shards(folder, pattern, NO_BYTE_OF_THE_DATA, { line: 'VARCHAR' });

// Long plays only. Ids are grouped as integers, which is faster here than as strings.
const longPlays = (folder) => `(
  SELECT substr(listener, 2)::INTEGER AS listener, substr(track, 2)::INTEGER AS track, country
  FROM ${shards(folder, 'plays-*.tsv', TAB, {
    played_at: 'VARCHAR',
    listener: 'VARCHAR',
    track: 'VARCHAR',
    country: 'VARCHAR',
    ms_played: 'INTEGER',
  })}
  WHERE ms_played >= 30000)`;

// The hundred tracks with the highest n of each scope, ties by track, as rows of the toplist.
const bestOf = (scopes) => `
  SELECT scope, place, 't' || lpad(track::VARCHAR, 7, '0'), n
  FROM (SELECT scope, track, n,
          row_number() OVER (PARTITION BY scope ORDER BY n DESC, track) AS place
        FROM ${scopes}
        QUALIFY place <= 100)
  ORDER BY scope, place`;

// Each play with the seconds since its listener's play before.
const gaps = (folder) => `(
  SELECT listener, ms_played,
    played_at - lag(played_at) OVER (PARTITION BY listener ORDER BY played_at) AS gap
  FROM (
    SELECT substr(listener, 2)::INTEGER AS listener, epoch(played_at)::BIGINT AS played_at,
      ms_played
    FROM ${shards(folder, 'plays-*.tsv', TAB, {
      played_at: 'TIMESTAMP',
      listener: 'VARCHAR',
      track: 'VARCHAR',
      country: 'VARCHAR',
      ms_played: 'INTEGER',
    })}))`;

const queries = {
  wordcount: (folder) => `
    SELECT word, count(*)
    FROM (SELECT unnest(string_split(line, ' ')) AS word FROM ${lines(folder, 'words-*.txt')})
    GROUP BY word ORDER BY word`,

  toplist: (folder) => `
    WITH in_country AS (
      SELECT country, track, count(*) AS n FROM ${longPlays(folder)} GROUP BY country, track),
    scopes AS (
      SELECT country AS scope, track, n FROM in_country
      UNION ALL
      SELECT '*', track, sum(n)::BIGINT FROM in_country GROUP BY track)
    ${bestOf('scopes')}`,

  listeners: (folder) => `
    WITH heard AS (SELECT DISTINCT country, track, listener FROM ${longPlays(folder)}),
    scopes AS (
      SELECT country AS scope, track, count(*) AS n FROM heard GROUP BY country, track
      UNION ALL
      SELECT '*', track, count(DISTINCT listener) FROM heard GROUP BY track)
    ${bestOf('scopes')}`,

  sessions: (folder) => `
    SELECT 'u' || lpad(listener::VARCHAR, 7, '0'), 1 + count(*) FILTER (gap > 1800),
      sum(ms_played)::BIGINT, coalesce(max(gap), 0)
    FROM ${gaps(folder)}
    GROUP BY listener ORDER BY listener`,

  // Each pair of tracks is counted once, and ranked from both sides.
  cooccurrence: (folder) => `
    WITH baskets AS MATERIALIZED (
      SELECT DISTINCT substr(listener, 2)::INTEGER AS listener, substr(track, 2)::INTEGER AS track
      FROM ${shards(folder, 'baskets-*.tsv', TAB, { listener: 'VARCHAR', track: 'VARCHAR' })}),
    totals AS (SELECT track, count(*) AS n FROM baskets GROUP BY track),
    pairs AS MATERIALIZED (
      SELECT one.track AS track, two.track AS other, count(*) AS together
      FROM baskets one JOIN baskets two ON one.listener = two.listener AND one.track < two.track
      GROUP BY one.track, two.track),
    both_ways AS (
      SELECT track, other, together FROM pairs
      UNION ALL
      SELECT other, track, together FROM pairs),
    best AS (
      SELECT track, other, together,
        row_number() OVER (PARTITION BY track ORDER BY together DESC, other) AS place
      FROM both_ways
      QUALIFY place <= 20)
    SELECT 't' || lpad(best.track::VARCHAR, 7, '0'), place,
      't' || lpad(other::VARCHAR, 7, '0'), together,
      floor(1e6::DOUBLE * together / sqrt(of_track.n::DOUBLE * of_other.n))::BIGINT
    FROM best JOIN totals of_track ON of_track.track = best.track
      JOIN totals of_other ON of_other.track = other
    ORDER BY best.track, place`,

  revenue: (folder) => `
    SELECT country, category, day, sum(amount)::BIGINT, count(*)
    FROM (SELECT buyer, product, amount, substr(sold_at, 1, 10) AS day
          FROM ${shards(folder, 'txns-*.tsv', TAB, {
            txn: 'VARCHAR',
            buyer: 'VARCHAR',
            product: 'VARCHAR',
            amount: 'BIGINT',
            sold_at: 'VARCHAR',
          })})
      JOIN ${shards(folder, 'users.tsv', TAB, {
        buyer: 'VARCHAR',
        country: 'VARCHAR',
        plan: 'VARCHAR',
      })} USING (buyer)
      JOIN ${shards(folder, 'products.tsv', TAB, {
        product: 'VARCHAR',
        category: 'VARCHAR',
        price: 'BIGINT',
      })} USING (product)
    GROUP BY country, category, day ORDER BY country, category, day`,

  sort: (folder) => `SELECT line FROM ${lines(folder, 'tera-*.txt')} ORDER BY line`,
};

async function main([job, folder, output]) {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const database = await DuckDBInstance.create(':memory:', { threads });
  const connection = await database.connect();
  if (job === '--version') {
    const [[version]] = (await connection.runAndReadAll('SELECT version()')).getRows();
    console.log(`DuckDB ${version}, Node.js ${process.version}`);
    return;
  }
  if (!(job in queries)) throw new Error(`no query for the job ${job}`);
  if (temp) await connection.run(`SET temp_directory = ${literal(temp)}`);
  if (memoryMib) await connection.run(`SET memory_limit = '${memoryMib}MiB'`);
  // Lines may hold any byte that the delimiter isn't; the other outputs are TSV.
  const delimiter = job === 'sort' ? NO_BYTE_OF_THE_DATA : TAB;
  await connection.run(`COPY (${queries[job](folder)}) TO ${literal(output)}
    (FORMAT csv, HEADER false, DELIMITER ${literal(delimiter)}, QUOTE '', ESCAPE '')`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(String(error.message).split('\n')[0]);
  process.exit(1);
}
