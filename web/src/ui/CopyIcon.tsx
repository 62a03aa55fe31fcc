import { useEffect, useState } from 'react'
import { copyText } from './clipboard'
import { Icon } from './Icon'

interface Props {
  text: string | (() => string)
  copy: string
  copied: string
  className?: string | undefined
}

// A small button that takes something along and says so for a moment.
export function CopyIcon({ text, copy, copied, className }: Props) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 2000)
    return () => clearTimeout(timer)
  }, [done])
  return (
    <button
      type="button"
      className={className}
      onClick={async () => setDone(await copyText(typeof text === 'string' ? text : text()))}
      aria-label={done ? copied : copy}
      title={done ? copied : copy}
    >
      <Icon name={done ? 'check' : 'copy'} size={18} />
      <span className="visually-hidden" role="status">
        {done ? copied : ''}
      </span>
    </button>
  )
}
