import type { ComponentProps } from 'react'
import styles from './button.module.css'
import { cx } from './css'

export interface ButtonLook {
  look?: 'primary' | 'quiet' | 'plain' | 'danger'
  small?: boolean
  icon?: boolean
  wide?: boolean
}

// The same look for links, which belong to the router and not to this folder.
export function buttonClass({ look = 'quiet', small, icon, wide }: ButtonLook = {}): string {
  return cx(styles['button'], styles[look], small && styles['small'], icon && styles['icon'], wide && styles['wide'])
}

type Props = ComponentProps<'button'> & ButtonLook

export function Button({ look, small, icon, wide, className, type = 'button', ...rest }: Props) {
  const shape: ButtonLook = {}
  if (look) shape.look = look
  if (small) shape.small = small
  if (icon) shape.icon = icon
  if (wide) shape.wide = wide
  return <button type={type} className={cx(buttonClass(shape), className)} {...rest} />
}
