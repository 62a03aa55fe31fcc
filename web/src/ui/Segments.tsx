import { useId } from 'react'
import { Icon, type IconName } from './Icon'
import styles from './small.module.css'

interface Props<T extends string> {
  label: string
  value: T
  options: readonly { value: T; text: string; icon?: IconName; lang?: string }[]
  onChange: (value: T) => void
}

export function Segments<T extends string>({ label, value, options, onChange }: Props<T>) {
  const name = useId()
  return (
    <fieldset className={styles['segments']}>
      <legend className="visually-hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value} className={styles['segment']} lang={option.lang}>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.icon && <Icon name={option.icon} size={16} />}
          {option.text}
        </label>
      ))}
    </fieldset>
  )
}
