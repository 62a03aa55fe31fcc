import { type ReactNode, useId } from 'react'
import styles from './choose.module.css'

interface ChooseProps {
  label: string
  value: string | undefined
  options: readonly { value: string; text: string }[]
  onChange: (value: string | undefined) => void
  // The name of no choice at all, where that is possible.
  any?: string
}

// One filter of a list; what is chosen often stands in the address, so it may be nothing that we know.
export function Choose({ label, value, options, onChange, any }: ChooseProps) {
  const known = value === undefined || options.some((option) => option.value === value)
  const all = known ? options : [...options, { value, text: value }]
  return (
    <Small label={label}>
      {(id) => (
        <select id={id} value={value ?? ''} onChange={(event) => onChange(event.target.value || undefined)}>
          {any !== undefined && <option value="">{any}</option>}
          {all.map((option) => (
            <option key={option.value} value={option.value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Small>
  )
}

// A small control under its name, as filters and settings have it beside what they change.
export function Small({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId()
  return (
    <div className={styles['choose']}>
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  )
}
