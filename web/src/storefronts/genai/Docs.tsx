import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { inferenceUrl } from '../../api/inference'
import { genaiPlanQuery, meQuery } from '../../api/queries'
import { docsWords } from '../../i18n/genaiDocsWords'
import { genaiWords } from '../../i18n/genaiWords'
import { useWords } from '../../i18n/text'
import { buttonClass } from '../../ui/Button'
import docs from './docs.module.css'
import styles from './genai.module.css'
import { Code, CopyButton, Page, Snippets } from './parts'
import { KEY_VARIABLE } from './snippets'

const fields = [
  ['model', 'fModel'],
  ['messages', 'fMessages'],
  ['prompt', 'fPrompt'],
  ['max_tokens', 'fMax'],
  ['temperature, top_p, stop, seed', 'fSampling'],
  ['response_format, tools', 'fFormat'],
  ['deadline_seconds', 'fDeadline'],
  ['max_cost_nano_usd', 'fCost'],
  ['store', 'fStore'],
  ['webhook, webhook_events_filter', 'fWebhook'],
  ['tags', 'fTags'],
] as const

const refusals = [
  ['401', 'e401'],
  ['402', 'e402'],
  ['403', 'e403'],
  ['409', 'e409'],
  ['410', 'e410'],
  ['422', 'e422'],
  ['429', 'e429'],
  ['5xx', 'e5xx'],
] as const

const contents = [
  'auth',
  'send',
  'result',
  'stream',
  'cancel',
  'quote',
  'twice',
  'sdk',
  'errors',
  'limits',
  'hooks',
] as const
type Part = (typeof contents)[number]

function Section({ id, children }: { id: Part; children?: ReactNode }) {
  const words = useWords(docsWords)
  return (
    <section id={id} className={styles['card']}>
      <h2>{words[id]}</h2>
      <p>{words[`${id}Text`]}</p>
      {children}
    </section>
  )
}

function Sample({ text, of }: { text: string; of: string }) {
  const words = useWords(genaiWords)
  return (
    <div className={styles['code']}>
      <div className={styles['codeHead']}>
        <span />
        <CopyButton text={text} />
      </div>
      <Code text={text} label={words.code(of)} />
    </div>
  )
}

function Pairs({ heads, rows }: { heads: [string, string]; rows: readonly (readonly [string, string])[] }) {
  return (
    <table className={docs['pairs']}>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, text]) => (
          <tr key={name}>
            <th scope="row">
              <code className={styles['mono']}>{name}</code>
            </th>
            <td>{text}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function useBase(): string {
  const { data: me } = useQuery(meQuery)
  const plan = useQuery({ ...genaiPlanQuery, enabled: Boolean(me?.user), retry: false })
  return plan.data?.inference.url ?? inferenceUrl()
}

export function Docs() {
  const words = useWords(docsWords)
  const url = useBase()
  const bearer = `-H "Authorization: Bearer $${KEY_VARIABLE}"`
  return (
    <Page
      title={words.title}
      lead={
        <>
          {words.lead} <a href="/openapi.json">{words.openapi}</a>
        </>
      }
    >
      <nav aria-label={words.toc} className={docs['toc']}>
        {contents.map((id) => (
          <a key={id} href={`#${id}`}>
            {words[id]}
          </a>
        ))}
      </nav>
      <Section id="auth">
        <Pairs heads={[words.field, words.meaning]} rows={[[url, words.base]]} />
        <div>
          <Link to="/account/keys" className={buttonClass({ small: true })}>
            {words.makeKey}
          </Link>
        </div>
      </Section>
      <Section id="send">
        <Snippets
          call={{
            url,
            key: null,
            ask: { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100 },
          }}
        />
        <Pairs heads={[words.field, words.meaning]} rows={fields.map(([name, key]) => [name, words[key]])} />
      </Section>
      <Section id="result">
        <Sample
          of={words.result}
          text={`curl ${bearer} '${url}/inference/run_…'\ncurl ${bearer} '${url}/inference/run_…/result'`}
        />
      </Section>
      <Section id="stream">
        <Sample of={words.stream} text={`curl -N ${bearer} '${url}/inference/run_…/events?starting_after=0'`} />
      </Section>
      <Section id="cancel">
        <Sample of={words.cancel} text={`curl -X POST ${bearer} '${url}/inference/run_…/cancel'`} />
      </Section>
      <Section id="quote">
        <Sample
          of={words.quote}
          text={`curl '${url}/inference/quote' ${bearer} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"model": "gpt-6-luna", "prompt": "Hello", "max_tokens": 100}'`}
        />
      </Section>
      <Section id="twice">
        <Sample
          of={words.twice}
          text={`curl '${url}/inference' ${bearer} \\\n  -H 'Content-Type: application/json' \\\n  -H 'Idempotency-Key: order-4711-summary' \\\n  -d '{"model": "gpt-6-luna", "prompt": "Hello"}'`}
        />
      </Section>
      <Section id="sdk">
        <Sample
          of="OpenAI"
          text={`# pip install openai\nimport os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${url}/v1", api_key=os.environ["${KEY_VARIABLE}"])\nanswer = client.chat.completions.create(\n    model="gpt-6-luna",\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.choices[0].message.content)`}
        />
        <Sample
          of="Anthropic"
          text={`# pip install anthropic\nimport os\nfrom anthropic import Anthropic\n\nclient = Anthropic(base_url="${url}", api_key=os.environ["${KEY_VARIABLE}"])\nanswer = client.messages.create(\n    model="claude-haiku-5.5",\n    max_tokens=100,\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.content[0].text)`}
        />
      </Section>
      <Section id="errors">
        <Pairs heads={[words.statusCode, words.meaningOf]} rows={refusals.map(([name, key]) => [name, words[key]])} />
      </Section>
      <Section id="limits">
        <Sample of={words.limits} text={`curl ${bearer} '${url}/rate-limit'`} />
      </Section>
      <Section id="hooks">
        <div>
          <Link to="/account/hooks" className={buttonClass({ small: true })}>
            {words.hooksGo}
          </Link>
        </div>
      </Section>
    </Page>
  )
}
