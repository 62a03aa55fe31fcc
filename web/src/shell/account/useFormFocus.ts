import { useEffect, useRef } from 'react'

// A form that comes and goes within a page takes the place of the button that opens it, and whoever has no mouse would be thrown to the
// top of the page: its first field takes the focus, and the button has it back.
export function useFormFocus(open: boolean) {
  const around = useRef<HTMLElement>(null)
  const opener = useRef<HTMLButtonElement>(null)
  const was = useRef(open)
  useEffect(() => {
    if (was.current === open) return
    was.current = open
    if (open) around.current?.querySelector<HTMLElement>('form :is(input, select, textarea)')?.focus()
    else opener.current?.focus()
  }, [open])
  return { around, opener }
}
