import { misakiWords } from '../../i18n/misakiWords'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Dialog } from '../../ui/Dialog'
import { keysOf, type Shortcut } from './shortcuts'
import styles from './talk.module.css'

const all: readonly Shortcut[] = ['focus', 'new', 'search', 'stop', 'copy', 'help']

export function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const words = useWords(roomWords)
  const misaki = useWords(misakiWords)
  return (
    <Dialog title={words.shortcuts} closeLabel={words.close} onClose={onClose}>
      <dl className={styles['keys']}>
        {all.map((shortcut) => (
          <div key={shortcut}>
            <dt>{words[`key_${shortcut}`]}</dt>
            <dd>
              {keysOf(shortcut).map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p className={styles['soft']}>{misaki.keys}</p>
    </Dialog>
  )
}
