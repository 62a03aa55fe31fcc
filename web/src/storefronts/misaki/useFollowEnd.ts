import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

const NEAR = 24

// Keeps the newest line in view while someone is at the end, and never moves the page while they read further up.
export function useFollowEnd(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  place: string,
) {
  const following = useRef(true)
  const lastTop = useRef(0)
  const [away, setAway] = useState(false)

  const toEnd = useCallback(
    (smooth = false) => {
      const box = scroller.current
      if (!box) return
      following.current = true
      setAway(false)
      box.scrollTo({ top: box.scrollHeight, behavior: smooth ? 'smooth' : 'instant' })
    },
    [scroller],
  )

  useEffect(() => {
    const box = scroller.current
    const inner = content.current
    if (!box || !inner) return
    const onScroll = () => {
      const below = box.scrollHeight - box.clientHeight - box.scrollTop
      // Upwards is a person's doing, from the first pixel on: waiting for more would pull them back while they start.
      // When text shrinks the browser moves up as well, but then the end is in view.
      const upwards = box.scrollTop < lastTop.current
      if (below <= 1 || (!upwards && below <= NEAR)) following.current = true
      else if (upwards) following.current = false
      lastTop.current = box.scrollTop
      setAway(!following.current && below > NEAR * 3)
    }
    const grown = new ResizeObserver(() => {
      if (following.current) box.scrollTop = box.scrollHeight
      else onScroll()
    })
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0 && box.scrollHeight > box.clientHeight) following.current = false
    }
    box.addEventListener('scroll', onScroll, { passive: true })
    box.addEventListener('wheel', onWheel, { passive: true })
    grown.observe(inner)
    grown.observe(box)
    return () => {
      box.removeEventListener('scroll', onScroll)
      box.removeEventListener('wheel', onWheel)
      grown.disconnect()
    }
  }, [scroller, content])

  // Another conversation opens at its end.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the place is what this reacts to
  useLayoutEffect(() => toEnd(), [place, toEnd])

  return { away, toEnd }
}
