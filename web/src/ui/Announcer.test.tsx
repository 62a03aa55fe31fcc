import { render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Announcer } from './Announcer'

test('says each sentence once, and words that take the place of others from the first', () => {
  const { container, rerender } = render(<Announcer text="" done={false} />)
  rerender(<Announcer text="いらっしゃい。それは" done={false} />)
  expect(container.textContent).toBe('いらっしゃい。')
  rerender(<Announcer text="" done={false} />)
  rerender(<Announcer text="その話は、よしましょうね。" done />)
  expect(container.textContent).toBe('その話は、よしましょうね。')
})
