import { useEffect, useState } from 'react'
import { finishedSentences } from './sentences'

// A live region that hears finished sentences. What stood there before it was mounted has been read already.
export function Announcer({ text, done }: { text: string; done: boolean }) {
  const [heard, setHeard] = useState(text)
  const [said, setSaid] = useState('')
  useEffect(() => {
    if (text.length < heard.length && heard.startsWith(text)) return
    // Other words than those that were heard take their place: they are said from the first.
    const from = text.startsWith(heard) ? heard.length : 0
    const cut = done ? { said: text.slice(from).trim(), next: text.length } : finishedSentences(text, from)
    if (cut.next === heard.length && from === cut.next) return
    setHeard(text.slice(0, cut.next))
    if (cut.said) setSaid(cut.said)
  }, [text, done, heard])
  return (
    <div className="visually-hidden" aria-live="polite">
      {said}
    </div>
  )
}
