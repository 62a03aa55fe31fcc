import { useState } from 'react'
import { formWords } from '../../i18n/formWords'
import { securityWords } from '../../i18n/securityWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { Notice } from '../../ui/Notice'
import styles from './account.module.css'
import area from './area.module.css'

// Shown once. They leave as a file or by the clipboard, and then only in whatever place their owner chose.
export function RecoveryCodes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  const words = useWords(securityWords)
  const form = useWords(formWords)
  const [copied, setCopied] = useState(false)
  const text = `${codes.join('\n')}\n`
  function save() {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    const link = document.createElement('a')
    link.href = url
    link.download = 'noren-recovery-codes.txt'
    link.click()
    URL.revokeObjectURL(url)
  }
  return (
    <>
      <Notice tone="warn" role="status" title={words.recovery}>
        <p>{words.recoveryText}</p>
      </Notice>
      <ul className={area['codes']} aria-label={words.recovery}>
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className={styles['row']}>
        <Button small onClick={() => navigator.clipboard.writeText(text).then(() => setCopied(true), save)}>
          <Icon name={copied ? 'check' : 'copy'} size={16} />
          {copied ? form.copied : words.copyAll}
        </Button>
        <Button small onClick={save}>
          <Icon name="down" size={16} />
          {words.download}
        </Button>
        <Button small look="primary" onClick={onKept}>
          {words.recoveryKept}
        </Button>
      </div>
    </>
  )
}
