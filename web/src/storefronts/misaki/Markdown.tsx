import { type ComponentProps, memo, useRef } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import rehypeSanitize from 'rehype-sanitize'
import remarkCjkFriendly from 'remark-cjk-friendly'
import remarkGfm from 'remark-gfm'
import remend from 'remend'
import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { CopyIcon } from '../../ui/CopyIcon'
import { splitBlocks } from './blocks'
import styles from './message.module.css'

const remarkPlugins = [remarkGfm, remarkCjkFriendly]
const rehypePlugins = [rehypeSanitize]

function Code({ children }: Pick<ComponentProps<'pre'>, 'children'>) {
  const words = useWords(roomWords)
  const misaki = useWords(misakiWords)
  const box = useRef<HTMLPreElement>(null)
  return (
    <div className={styles['code']}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard */}
      <pre ref={box} tabIndex={0}>
        {children}
      </pre>
      <CopyIcon
        className={styles['copy']}
        text={() => (box.current?.textContent ?? '').replace(/\n$/, '')}
        copy={words.copyCode}
        copied={misaki.copied}
      />
    </div>
  )
}

// Headings of an answer stand below the page's own. Pictures are not loaded: an answer must not be able to call
// somewhere, so only what the picture shows is told.
const components: Components = {
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h3>{children}</h3>,
  h3: ({ children }) => <h4>{children}</h4>,
  h4: ({ children }) => <h5>{children}</h5>,
  h5: ({ children }) => <h6>{children}</h6>,
  img: ({ alt }) => <span>{alt}</span>,
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  ),
  pre: ({ children }) => <Code>{children}</Code>,
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard
    <div data-scroll="x" tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={remarkPlugins} rehypePlugins={rehypePlugins} components={components}>
      {text}
    </ReactMarkdown>
  )
})

export function Markdown({ text, partial = false }: { text: string; partial?: boolean }) {
  const blocks = splitBlocks(text)
  return (
    <>
      {blocks.map((block, at) => (
        // Blocks only ever grow at the end, so the place is the identity.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <Block key={at} text={partial && at === blocks.length - 1 ? remend(block) : block} />
      ))}
    </>
  )
}
