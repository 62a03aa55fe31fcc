import { useRouter } from '@tanstack/react-router'
import { useEffect, useState } from 'react'

// A page that comes by a link is no new document: a screen reader says nothing while the link that was followed stays. So its
// title is said, as a browser's own navigation would have it. What only changes the address of the same page says nothing.
export function SpokenTitle() {
  const router = useRouter()
  const [title, setTitle] = useState('')
  useEffect(
    () =>
      router.subscribe('onRendered', ({ fromLocation, toLocation, pathChanged }) => {
        const stepped = fromLocation?.state.__TSR_index !== toLocation.state.__TSR_index
        if (fromLocation && pathChanged && stepped) setTitle(document.title)
      }),
    [router],
  )
  return (
    <p className="visually-hidden" role="status">
      {title}
    </p>
  )
}
