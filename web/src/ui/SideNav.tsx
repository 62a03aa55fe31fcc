import { type MouseEvent, type ReactNode, useRef } from 'react'
import { Button } from './Button'
import { Icon } from './Icon'
import styles from './sideNav.module.css'

interface Props {
  // What the list of pages is called, for who can't see it.
  label: string
  name: ReactNode
  links: ReactNode
  // On a phone: which page is open, and what the two buttons do.
  here: string
  open: string
  close: string
  children: ReactNode
}

// A console: its pages are listed at the side, on a phone behind a button.
export function SideNav({ label, name, links, here, open, close, children }: Props) {
  const box = useRef<HTMLDialogElement>(null)
  const shut = () => box.current?.close()
  const chosen = (event: MouseEvent) => {
    if (event.target instanceof Element && event.target.closest('a')) shut()
  }
  return (
    <div className={styles['console']}>
      <nav className={styles['side']} aria-label={label}>
        {name}
        {links}
      </nav>
      <div className={styles['bar']}>
        <Button look="plain" icon aria-label={open} onClick={() => box.current?.showModal()}>
          <Icon name="menu" />
        </Button>
        <span>{here}</span>
        <dialog ref={box} className={styles['drawer']} aria-label={label}>
          {/* biome-ignore lint/a11y/noStaticElementInteractions: a link that is followed, by mouse or key, closes the list */}
          {/* biome-ignore lint/a11y/useKeyWithClickEvents: a key on a link is a click as well */}
          <div className={styles['drawerBody']} onClick={chosen}>
            <div className={styles['drawerHead']}>
              {name}
              <Button look="plain" icon aria-label={close} onClick={shut}>
                <Icon name="close" />
              </Button>
            </div>
            <nav aria-label={label}>{links}</nav>
          </div>
          {/* Everything beside the drawer closes it; the keyboard has Escape and the button. */}
          <button type="button" className={styles['outside']} tabIndex={-1} aria-hidden="true" onClick={shut} />
        </dialog>
      </div>
      <div className={styles['content']}>{children}</div>
    </div>
  )
}
