// SPDX-License-Identifier: Apache-2.0
// The benchmark's jobs as lazy frames for Polars, with its streaming engine.
//
//   node query.mjs JOB FOLDER OUTPUT      or: node query.mjs --version
//
// As duckdb/query.mjs is called. Polars has no memory limit and takes its threads from
// POLARS_MAX_THREADS, which must be set before it loads.

import { readFileSync } from 'node:fs';

process.env.POLARS_MAX_THREADS = process.env.BENCH_THREADS ?? '2';
const suffix = process.env.BENCH_SUFFIX ?? '';

// Bytes that are in none of the shards: lines stay whole, and nothing is quoted.
const NO_DELIMITER = '\u0001';
const NO_QUOTE = '\u0002';

function queriesWith(pl) {
  const col = pl.col;
  const stream = (frame) => frame.collect({ streaming: true });

  const shards = (folder, pattern, sep, schema) => {
    const files = `${folder}/${pattern}${suffix}`;
    return pl.scanCSV(files, { hasHeader: false, sep, quoteChar: NO_QUOTE, schema });
  };

  const lines = (folder, pattern) => shards(folder, pattern, NO_DELIMITER, { line: pl.Utf8 });

  const plays = (folder) =>
    shards(folder, 'plays-*.tsv', '\t', {
      played_at: pl.Utf8,
      listener: pl.Utf8,
      track: pl.Utf8,
      country: pl.Utf8,
      ms_played: pl.Int32,
    });
  const longPlays = (folder) => plays(folder).filter(col('ms_played').gtEq(30000));

  const scoped = (frame, scope) => frame.select(scope.alias('scope'), col('track'), col('n'));

  // The hundred tracks with the highest n of each scope, ties by track, as rows of the toplist.
  const bestOf = (countries, world) => {
    const place = pl.intRange(pl.lit(1), pl.len().add(1)).over('scope').alias('place');
    return pl
      .concat([scoped(countries, col('country')), scoped(world, pl.lit('*'))])
      .sort(['scope', 'n', 'track'], [false, true, false])
      .withColumn(place)
      .filter(col('place').ltEq(100))
      .select('scope', 'place', 'track', 'n')
      .collect();
  };

  const write = (frame, output) =>
    frame.writeCSV(output, { includeHeader: false, separator: '\t', quoteStyle: 'never' });

  return {
    wordcount: async (folder, output) => {
      const counted = lines(folder, 'words-*.txt')
        .select(col('line').str.split(' ').explode().alias('word'))
        .groupBy('word')
        .agg(pl.len().alias('n'))
        .sort('word');
      write(await stream(counted), output);
    },

    toplist: async (folder, output) => {
      const counted = await stream(
        longPlays(folder).groupBy(['country', 'track']).agg(pl.len().alias('n')),
      );
      const world = counted.lazy().groupBy('track').agg(col('n').sum());
      write(await bestOf(counted.lazy(), world), output);
    },

    listeners: async (folder, output) => {
      const heard = await stream(longPlays(folder).select('country', 'track', 'listener').unique());
      const countries = heard.lazy().groupBy(['country', 'track']).agg(pl.len().alias('n'));
      const world = heard.lazy().groupBy('track').agg(col('listener').nUnique().alias('n'));
      write(await bestOf(countries, world), output);
    },

    // The plays are of one day.
    sessions: async (folder, output) => {
      const digits = (from) => col('played_at').str.slice(from, 2).cast(pl.Int32);
      const seconds = digits(11).mul(3600).add(digits(14).mul(60)).add(digits(17));
      const isFirst = col('listener').neq(col('listener').shift(1));
      const sinceLast = col('time').minus(col('time').shift(1));
      const gap = pl.when(isFirst).then(pl.lit(0)).otherwise(sinceLast);
      const cut = plays(folder)
        .select('listener', seconds.cast(pl.Int32).alias('time'), 'ms_played')
        .sort(['listener', 'time'])
        .withColumn(gap.fillNull(0).cast(pl.Int32).alias('gap')) // Null: of the very first.
        .groupBy('listener')
        .agg(
          col('gap').gt(1800).sum().add(1).cast(pl.Int32).alias('sessions'),
          col('ms_played').cast(pl.Int64).sum(),
          col('gap').max().alias('longest'),
        )
        .sort('listener');
      write(await stream(cut), output);
    },

    sort: (folder, output) =>
      stream(
        lines(folder, 'tera-*.txt')
          .sort('line')
          .sinkCSV(output, {
            includeHeader: false,
            separator: NO_DELIMITER,
            quoteStyle: 'never',
            maintainOrder: true,
          }),
      ),
  };
}

async function main([job, folder, output]) {
  const { default: pl } = await import('nodejs-polars');
  if (job === '--version') {
    const manifest = new URL('node_modules/nodejs-polars/package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
    pl.Series([1]).sum(); // The native part is there, too.
    console.log(`nodejs-polars ${version}, Node.js ${process.version}`);
    return;
  }
  const queries = queriesWith(pl);
  if (!(job in queries)) throw new Error(`no query for the job ${job}`);
  await queries[job](folder, output);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(String(error.message).split('\n')[0]);
  process.exit(1);
}
