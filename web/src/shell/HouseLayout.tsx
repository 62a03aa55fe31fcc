import { Outlet } from '@tanstack/react-router'
import { Frame } from './Frame'

export function HouseLayout() {
  return (
    <Frame>
      <Outlet />
    </Frame>
  )
}
