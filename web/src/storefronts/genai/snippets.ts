import type { Ask } from '../../api/genai'

export const languages = ['curl', 'python', 'typescript', 'rust'] as const
export type Language = (typeof languages)[number]

export const languageNames: Record<Language, string> = {
  curl: 'curl',
  python: 'Python',
  typescript: 'TypeScript',
  rust: 'Rust',
}

export interface Call {
  // The inference listener, without a slash at the end.
  url: string
  // Without a key the program takes it from its environment.
  key: string | null
  // Without a model the plan's own is asked.
  ask: Omit<Ask, 'model'> & Partial<Pick<Ask, 'model'>>
}

export const KEY_VARIABLE = 'NOREN_API_KEY'
const WAIT = 'wait=60'

// What a shell takes literally between single quotes: all but the quote itself.
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function indented(text: string, by: string): string {
  return text.replaceAll('\n', `\n${by}`)
}

// JSON of texts, numbers, lists and objects is a Python literal as it stands; the words for nothing and truth differ.
export function pythonLiteral(value: unknown): string {
  return JSON.stringify(value, null, 4).replace(
    /("(?:[^"\\]|\\.)*")|\b(?:null|true|false)\b/g,
    (found, text: string | undefined) => text ?? { null: 'None', true: 'True', false: 'False' }[found] ?? found,
  )
}

// A JSON text inside Rust's json! macro is a Rust text: \b and \f do not exist there and \u is written with braces.
export function rustLiteral(value: unknown): string {
  return JSON.stringify(value, null, 4).replace(/\\(u[0-9a-f]{4}|.)/gi, (found, sign: string) => {
    if (sign === 'b') return '\\u{8}'
    if (sign === 'f') return '\\u{c}'
    return sign.startsWith('u') ? `\\u{${sign.slice(1)}}` : found
  })
}

function curl({ url, key, ask }: Call): string {
  const bearer = key === null ? `"Authorization: Bearer $${KEY_VARIABLE}"` : shellQuoted(`Authorization: Bearer ${key}`)
  return [
    `curl ${shellQuoted(`${url}/inference`)} \\`,
    `  -H ${bearer} \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -H 'Prefer: ${WAIT}' \\`,
    `  -d ${shellQuoted(JSON.stringify(ask, null, 2))}`,
  ].join('\n')
}

function python({ url, key, ask }: Call): string {
  const secret = key === null ? `os.environ["${KEY_VARIABLE}"]` : JSON.stringify(key)
  return `import json
${key === null ? 'import os\n' : ''}import urllib.request

key = ${secret}
body = ${pythonLiteral(ask)}
request = urllib.request.Request(
    ${JSON.stringify(`${url}/inference`)},
    data=json.dumps(body).encode(),
    headers={
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Prefer": "${WAIT}",
    },
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)
print(answer.get("text", answer))
`
}

function typescript({ url, key, ask }: Call): string {
  const secret = key === null ? `process.env['${KEY_VARIABLE}']` : JSON.stringify(key)
  return `const key = ${secret}
const response = await fetch(${JSON.stringify(`${url}/inference`)}, {
  method: 'POST',
  headers: {
    Authorization: \`Bearer \${key}\`,
    'Content-Type': 'application/json',
    Prefer: '${WAIT}',
  },
  body: JSON.stringify(${indented(JSON.stringify(ask, null, 2), '  ')}),
})
const answer = await response.json()
console.log(answer.text ?? answer)
`
}

function rust({ url, key, ask }: Call): string {
  const secret = key === null ? `std::env::var("${KEY_VARIABLE}")?` : `${JSON.stringify(key)}`
  return `// cargo add reqwest --features json
// cargo add tokio --features macros,rt-multi-thread
// cargo add serde_json
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = ${secret};
    let answer: Value = reqwest::Client::new()
        .post(${JSON.stringify(`${url}/inference`)})
        .bearer_auth(key)
        .header("Prefer", "${WAIT}")
        .json(&json!(${indented(rustLiteral(ask), '        ')}))
        .send()
        .await?
        .json()
        .await?;
    println!("{}", answer["text"].as_str().map_or_else(|| answer.to_string(), str::to_owned));
    Ok(())
}
`
}

const writers: Record<Language, (call: Call) => string> = { curl, python, typescript, rust }

export function snippet(language: Language, call: Call): string {
  return writers[language](call)
}
