import { useEffect, useState } from 'react'
import { finishedSentences } from './sentences'

// A live region that hears finished sentences. What stood there before it was mounted has been read already.
export function Announcer({ text, done }: { text: string; done: boolean }) {
  const [from, setFrom] = useState(text.length)
  const [said, setSaid] = useState('')
  useEffect(() => {
    if (text.length < from) return
    const cut = done ? { said: text.slice(from).trim(), next: text.length } : finishedSentences(text, from)
    if (cut.next === from) return
    setFrom(cut.next)
    if (cut.said) setSaid(cut.said)
  }, [text, done, from])
  return (
    <div className="visually-hidden" aria-live="polite">
      {said}
    </div>
  )
}
