// A reporter for node:test that writes one JSON line per finished test, for jobs.py to count. A test comes after its subtests.

export default async function* report(source) {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, nesting, details, skip, todo } = event.data;
    const error = details?.error?.cause ?? details?.error;
    yield `${JSON.stringify({
      name,
      nesting,
      passed: event.type === 'test:pass',
      skipped: skip !== undefined && skip !== false,
      todo: todo !== undefined && todo !== false,
      suite: details?.type === 'suite',
      seconds: (details?.duration_ms ?? 0) / 1000,
      message: event.type === 'test:fail' ? String(error?.stack ?? error ?? '') : '',
    })}\n`;
  }
}
